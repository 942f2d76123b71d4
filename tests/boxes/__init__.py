"""The installation of docker-compose.yml on a real Docker engine: `make boxes`."""
