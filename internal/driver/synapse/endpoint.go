package synapse

import (
	"net"
	"net/url"
	"strings"
)

// endpoint is where a Spark Connect server is. Its token is in none of its texts but url.
type endpoint struct {
	host, port string
	params     []string // name=value
	token      string
	tls        bool
}

const defaultPort = "15002" // spark.connect.grpc.binding.port

// parseEndpoint reads a connection string of Spark Connect.
// Source: connector/connect/docs/client-connection-string.md of Spark 3.5.
func parseEndpoint(text, token string) (endpoint, error) {
	bad := func(why string) (endpoint, error) {
		return endpoint{}, optionFault(optConnect, why, "give for example sc://spark.example.com:15002, and its token by --bearer-token-file")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "sc" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return bad("it is no sc://HOST:PORT")
	}
	e := endpoint{host: u.Hostname(), port: u.Port(), token: token}
	if e.port == "" {
		e.port = defaultPort
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(u.Path, "/"), ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "":
			continue
		case "token":
			return bad("there is a token in it, which lists and logs would show")
		case "use_ssl":
			e.tls = strings.EqualFold(value, "true")
		case "user_id", "user_agent":
		default:
			return bad("it has the part " + name + ", and here only use_ssl, user_id and user_agent may be given")
		}
		e.params = append(e.params, name+"="+value)
	}
	if token != "" && e.host != "localhost" {
		e.tls = true // a client sends a token in the clear to localhost alone
	}
	return e, nil
}

func (e endpoint) address() string { return net.JoinHostPort(e.host, e.port) }

// String returns the connection string without the token.
func (e endpoint) String() string { return e.with(e.params) }

// url returns the whole connection string.
func (e endpoint) url() string {
	if e.token == "" {
		return e.String()
	}
	return e.with(append([]string{"token=" + escape(e.token)}, e.params...))
}

func (e endpoint) with(params []string) string {
	if len(params) == 0 {
		return "sc://" + e.address()
	}
	return "sc://" + e.address() + "/;" + strings.Join(params, ";")
}

// escape writes a value so that nothing in it ends it.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
