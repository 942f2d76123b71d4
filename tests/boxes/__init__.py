"""The installation of docker-compose.yml, played on a real engine: `make boxes`."""
