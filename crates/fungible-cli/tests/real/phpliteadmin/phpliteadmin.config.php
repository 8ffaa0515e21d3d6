<?php
$password = 'sesame';
$directory = __DIR__ . '/data';
$cookie_name = 'pla';
