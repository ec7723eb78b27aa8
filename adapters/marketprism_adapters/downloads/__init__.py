"""Downloads: histories by their market, the archive of files, and a folder that rows and their progress lie in."""
