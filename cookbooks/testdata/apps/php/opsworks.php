<?php // What a release brings under this name gives way to the server's.
