package wire

// Build asks for an environment below the agent's root, in its own folder. Equal digests are
// the same build.
type Build struct {
	Digest       string   `json:"digest"`
	Python       string   `json:"python,omitzero"`       // the version asked for, "3.10"; "": the machine's default
	Exact        bool     `json:"exact,omitzero"`        // refuse rather than take a newer minor version
	Requirements []string `json:"requirements,omitzero"` // requirement lines, resolved together
	PipOnly      []string `json:"pip_only,omitzero"`     // raw lines and options that only pip reads
	IndexOptions []string `json:"index_options,omitzero"`
	Conda        []byte   `json:"conda,omitzero"`        // a conda specification without pip's part; nil: no channel is needed
	ChannelOnly  []string `json:"channel_only,omitzero"` // what of Conda the Python package index does not have
	Notes        []string `json:"notes,omitzero"`        // what the definition asked for and does not get
	UserManaged  bool     `json:"user_managed,omitzero"` // use Interpreter as it is, build nothing
	Interpreter  string   `json:"interpreter,omitzero"`  // a path or a name; "" is "python3"
	Interpreters []string `json:"interpreters,omitzero"` // more folders or paths to look for Pythons
	BaseImage    string   `json:"base_image,omitzero"`   // make it in an image that starts from this one
	Dockerfile   []byte   `json:"dockerfile,omitzero"`   // or from what this makes
}

// The states of a build.
const (
	BuildMissing = "missing"
	BuildRunning = "running"
	BuildDone    = "done"
	BuildFailed  = "failed"
)

// BuildResult is how a build stands. The zero value is no build.
type BuildResult struct {
	State    string   `json:"state"`
	Prefix   string   `json:"prefix,omitzero"`  // the folder with bin/python, once done
	Python   string   `json:"python,omitzero"`  // the interpreter, once done; the user's own when user-managed
	Image    string   `json:"image,omitzero"`   // the image, once done, instead of Prefix and Python
	Version  string   `json:"version,omitzero"` // of the interpreter: "3.10.13"
	Way      string   `json:"way,omitzero"`     // "uv", "conda", "image", "host"
	Warnings []string `json:"warnings,omitzero"`
	Reason   string   `json:"reason,omitzero"` // of a failure, as in fault.Error
	Message  string   `json:"message,omitzero"`
	Fix      string   `json:"fix,omitzero"`
}

// Interpreter returns the path of the built environment's interpreter.
func (r BuildResult) Interpreter() string {
	if r.Prefix != "" {
		return r.Prefix + "/bin/python"
	}
	return r.Python
}
