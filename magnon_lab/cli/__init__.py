"""Commands of Magnon Lab."""


def main() -> None:
    """Run the command line."""
