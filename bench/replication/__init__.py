"""The replication engine beside what people would use instead: `python -m bench.replication`.

Two MariaDB servers on this machine, two regions over them with their agents as processes of their own, and in a second
pair of schemas on the same servers the alternative: mariadb-dump for a first copy, GTID replication for all else.
"""
