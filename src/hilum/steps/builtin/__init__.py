"""The steps that come with Hilum, one file each."""
