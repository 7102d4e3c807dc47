package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// The controller manager's host-path provisioner makes its volumes here, 0750 and owned by root.
const volumeRoot = "/tmp/hostpath_pv"

// openVolumes lets Pods that do not run as root write to their volumes, as other provisioners do.
func openVolumes() {
	if err := os.MkdirAll(volumeRoot, 0o755); err != nil {
		log.Fatal(err)
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Fatal(err)
	}
	if err := watcher.Add(volumeRoot); err != nil {
		log.Fatal(err)
	}
	existing, _ := filepath.Glob(volumeRoot + "/*") // made before this process was started again
	for _, path := range existing {
		open(path)
	}
	for event := range watcher.Events {
		if event.Has(fsnotify.Create) {
			open(event.Name)
		}
	}
}

func open(path string) {
	if err := os.Chmod(path, 0o777); err != nil {
		log.Print(err)
	}
}
