# Where this family of hosts has Apache and PHP. Recipes source it.
case $OPSYARD_OS_FAMILY in
  debian)
    apache=apache2 apache_etc=/etc/apache2 apache_conf=$apache_etc/conf-enabled apache_sites=$apache_etc/sites-enabled site_prefix=
    php_version=$({ find /etc/php -mindepth 2 -maxdepth 2 -name fpm 2>/dev/null || true; } | sort -V | tail -n 1 | cut -d / -f 4)
    fpm=php$php_version-fpm fpm_pools=/etc/php/$php_version/fpm/pool.d fpm_program=php-fpm$php_version
    ;;
  *)
    apache=httpd apache_etc=/etc/httpd apache_conf=$apache_etc/conf.d apache_sites=$apache_etc/conf.d site_prefix=opsyard-app-
    fpm=php-fpm fpm_pools=/etc/php-fpm.d fpm_program=php-fpm
    ;;
esac
apache_reload="apachectl -t && opsyard-agent service $apache --reload"
fpm_reload="$fpm_program -t && opsyard-agent service $fpm --reload"
