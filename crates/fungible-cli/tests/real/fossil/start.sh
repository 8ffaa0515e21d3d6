# Makes the repository where there is none, one instance after the other, and serves it. Its project has one code, because that is in the name of the cookie.
exec 9>data/.lock
flock 9
if [ ! -e data/notes.fossil ]; then
  fossil init --admin-user ada data/new.fossil >/dev/null
  fossil sql -R data/new.fossil "UPDATE config SET value = '9f2c4be1a07d5c36e8f10b7a2d4c6e8f01a3b5c7' WHERE name = 'project-code'"
  fossil user password ada sesame -R data/new.fossil
  mv data/new.fossil data/notes.fossil
fi
exec 9>&-
exec fossil server --localhost --port "$1" data/notes.fossil
