"""The pictures of docs/guide-agent.md, made from the running screen: `make pictures`."""
