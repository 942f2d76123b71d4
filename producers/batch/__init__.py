"""The same request for many communes, sent and followed as one."""
