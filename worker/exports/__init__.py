"""The rows of requests and exports, and the files of the exports volume."""
