package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// part says what a field is for. Fields of one part go together: see Thing.Fill.
type part string

const (
	place   part = "place"   // where the thing is
	account part = "account" // who to be there
)

// field is a field of an entry. It stands for the option of a compute kind that has its path.
type field struct {
	name, path string
	part       part
	secret     bool
	read       func(string) (any, error) // nil: text
}

// fields returns all fields that entries have.
func fields() []field {
	return []field{
		{name: "address", path: "address", part: place},
		{name: "port", path: "sshPort", part: place, read: readPort},
		{name: "via", path: "via", part: place, read: readList},
		{name: "hostKey", path: "hostKey", part: place},
		{name: "sizes", path: "sizes", part: account, read: readObject},
		{name: "kubeconfig", path: "kubeconfig", part: account, secret: true},
		{name: "livy", path: "livy", part: place},
		{name: "databricks", path: "databricks", part: place},
		{name: "batch", path: "batch", part: place},
		{name: "pool", path: "pool", part: place},
		{name: "slurm", path: "slurm", part: place},
		{name: "store", path: "store", part: place},
		{name: "host", path: "host", part: place},
		{name: "master", path: "master", part: place},
		{name: "connect", path: "connect", part: place, read: readConnect},
		{name: "accountName", path: "accountName", part: account},
		{name: "accountKey", path: "accountKey", part: account, secret: true},
		{name: "bearerToken", path: "bearerToken", part: account, secret: true},
		{name: "container", path: "container", part: account, secret: true},
		{name: "user", path: "administratorAccount.username", part: account},
		{name: "password", path: "administratorAccount.password", part: account, secret: true},
		{name: "privateKey", path: "administratorAccount.privateKeyData", part: account, secret: true},
		{name: "passphrase", path: "administratorAccount.passphrase", part: account, secret: true},
	}
}

func fieldNamed(name string) (field, error) {
	all := fields()
	if i := slices.IndexFunc(all, func(f field) bool { return f.name == name }); i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, f := range all {
		names = append(names, f.name)
	}
	return field{}, fieldFault(name, "FieldUnknown", "the fields are "+strings.Join(names, ", "))
}

// limit is the most bytes that a value has: a kubeconfig is the longest.
const limit = 256 << 10

// check reports why value cannot be the field's.
func (f field) check(value string) error {
	if len(value) > limit {
		return fieldFault(f.name, "FieldInvalid", fmt.Sprintf("its value has more than %d bytes", limit))
	}
	if !f.secret && strings.ContainsAny(value, "\r\n\x00") {
		return fieldFault(f.name, "FieldInvalid", "its value has more than one line")
	}
	_, err := f.value(value)
	return err
}

// value returns what the option of the field's path is given.
func (f field) value(text string) (any, error) {
	if f.read == nil {
		return text, nil
	}
	v, err := f.read(text)
	if err != nil {
		return nil, fieldFault(f.name, "FieldInvalid", err.Error())
	}
	return v, nil
}

func readPort(text string) (any, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > 65535 {
		return nil, fmt.Errorf("there is no port %q", text)
	}
	return n, nil
}

// readConnect refuses a token, which is a secret: lists show this field.
func readConnect(text string) (any, error) {
	if strings.Contains(text, "token=") {
		return nil, errors.New("there is a token in it: give it with the compute target, by --bearer-token-file")
	}
	return text, nil
}

// readObject reads JSON.
func readObject(text string) (any, error) {
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil || m == nil {
		return nil, errors.New("it is no JSON object")
	}
	return m, nil
}

// readList takes names apart at commas.
func readList(text string) (any, error) {
	var out []any
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return nil, fmt.Errorf("%q is no list of names with commas between them", text)
		}
		out = append(out, name)
	}
	return out, nil
}

func fieldFault(name, reason, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: reason, What: fmt.Sprintf("the field %q of an inventory entry cannot be set", name),
		Why: why, Fix: "run: zaffre inventory add --help", Field: "settings." + name,
	}
}
