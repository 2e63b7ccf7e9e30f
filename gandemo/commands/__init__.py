"""The commands, by what they are about; `__main__` puts them together. Heavy imports wait until a command runs."""
