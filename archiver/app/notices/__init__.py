"""What operators are told without asking: a webhook for what needs a look, a heartbeat after each good cycle."""
