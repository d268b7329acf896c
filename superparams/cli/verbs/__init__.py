"""The verbs of the command: a file each, which holds a `click.Command` called `command`."""
