<?php // phpLiteAdmin as it is packaged, with the settings that are beside this file: it looks for them where it is called.
chdir(__DIR__);
require getenv('PACKAGES') . '/debian/usr/share/phpliteadmin/phpliteadmin.php';
