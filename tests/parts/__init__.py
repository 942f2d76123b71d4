"""Real servers for the tests: a broker, a database server and a mail server that a test may stop and kill."""
