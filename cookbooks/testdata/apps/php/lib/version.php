<?php const VERSION = '@VERSION@';
