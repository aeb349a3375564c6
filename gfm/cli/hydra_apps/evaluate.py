"""Entry point of ``gfm evaluate``, which Lightning starts again for each device."""

from gfm.run.evaluate import main

if __name__ == "__main__":
    main()
