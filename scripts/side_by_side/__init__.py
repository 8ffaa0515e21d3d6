"""The parts of scripts/measure-side-by-side."""
