"""datatools: version, check and curate image-recognition datasets with DVC. Imports nothing on purpose."""
