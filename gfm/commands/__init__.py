"""The subcommands of ``gfm``, one file for each; they import what they need when they run."""
