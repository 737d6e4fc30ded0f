"""The command line: one file a group of commands, imported only when the command is called."""
