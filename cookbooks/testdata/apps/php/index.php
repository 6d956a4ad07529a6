<?php
// A web page that tells its version and what the app is told.
require __DIR__ . '/opsworks.php';
require __DIR__ . '/lib/version.php';
$opsworks = new OpsWorks();
echo VERSION, ' ', getenv('GREETING'), ' ', $opsworks->stack_name, ' ', implode(',', $opsworks->hosts('php-app'));
