// Command forward passes the connections of an inherited listening socket (file descriptor 3) on to a local address.
// The socket was opened in the machine's network namespace and is served in the node's: the only way in.
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	address := os.Args[1]
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	for {
		outer, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer outer.Close()
			inner, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			defer inner.Close()
			done := make(chan struct{}, 2)
			pipe := func(to, from net.Conn) { io.Copy(to, from); to.(*net.TCPConn).CloseWrite(); done <- struct{}{} }
			go pipe(inner, outer)
			go pipe(outer, inner)
			<-done
			<-done
		}()
	}
}
