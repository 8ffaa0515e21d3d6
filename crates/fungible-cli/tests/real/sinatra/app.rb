# Notes in the session, which Sinatra keeps in a signed cookie.
require "json"
require "sinatra"

set :bind, "127.0.0.1"
set :port, ARGV.fetch(0)
set :server, "puma"
set :quiet, true
set :server_settings, Threads: "1:4", Silent: true
enable :sessions

helpers do
  def name
    session[:name] or redirect to("/login"), 303
  end
end

get("/login") { "<form method=post><input name=name><button>Log in</button></form>" }

post "/login" do
  session[:name] = params[:name]
  session[:notes] = []
  redirect "/notes", 303
end

get "/notes" do
  items = session[:notes].map { |note| "<li>#{Rack::Utils.escape_html(note)}</li>" } if name
  "<h1>Notes of #{Rack::Utils.escape_html(name)}</h1><ul>#{items.join}</ul>"
end

post "/notes" do
  session[:notes] += [params[:note]] if name
  redirect "/notes", 303
end

post "/logout" do
  session.clear
  redirect "/login", 303
end
