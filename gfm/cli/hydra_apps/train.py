"""Entry point of ``gfm train``, which Lightning starts again for each device."""

from gfm.run.train import main

if __name__ == "__main__":
    main()
