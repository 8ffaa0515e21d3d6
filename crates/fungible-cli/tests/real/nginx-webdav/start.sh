# nginx takes its port from a file only. What it needs to write beside the shared folder is the instance's own.
mkdir -p own
sed "s|PORT|$2|; s|FOLDER|$PWD|; s|ABSOLUTE|$3|" nginx.conf > own/nginx.conf
exec "$1/debian/usr/sbin/nginx" -e stderr -p "$PWD/own" -c "$PWD/own/nginx.conf"
