# A list of guests in the session, which Mojolicious keeps in a signed cookie.
use Mojolicious::Lite -signatures;

app->secrets(['of all instances: 5f0d']);
app->log->level('fatal');

get '/login' => 'login';

post '/login' => sub ($c) {
  return $c->render(text => 'Bad CSRF token!', status => 403) if $c->validation->csrf_protect->has_error('csrf_token');
  $c->session(name => $c->param('name'), guests => []);
  $c->flash(message => 'Welcome.');
  $c->redirect_to('/guests');
};

under sub ($c) {
  return 1 if $c->session('name');
  $c->redirect_to('/login');
  return undef;
};

get '/guests' => 'guests';

post '/guests' => sub ($c) {
  return $c->render(text => 'Bad CSRF token!', status => 403) if $c->validation->csrf_protect->has_error('csrf_token');
  push @{$c->session->{guests}}, $c->param('guest');
  $c->flash(message => 'Invited.');
  $c->redirect_to('/guests');
};

post '/logout' => sub ($c) {
  $c->session(expires => 1);
  $c->redirect_to('/login');
};

app->start;
__DATA__

@@ login.html.ep
<form method="post"><%= csrf_field %><input name="name"><button>Log in</button></form>

@@ guests.html.ep
<p><%= flash 'message' %></p><h1>Guests of <%= session 'name' %></h1>
<ul><% for my $guest (@{session 'guests'}) { %><li><%= $guest %></li><% } %></ul>
<form method="post"><%= csrf_field %><input name="guest"><button>Invite</button></form>
