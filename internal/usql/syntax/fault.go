package syntax

import "github.com/zaffre-ml/zaffre/internal/fault"

// Faults are what is wrong with a script, in the order of the script. It is never empty.
type Faults []*fault.Error

// Error returns the faults, one a line.
func (f Faults) Error() string {
	s := ""
	for i, e := range f {
		if i > 0 {
			s += "\n"
		}
		s += e.Field + ": " + e.Error()
	}
	return s
}

// Unwrap returns the faults, so that fault.From finds the first.
func (f Faults) Unwrap() []error {
	out := make([]error, len(f))
	for i, e := range f {
		out[i] = e
	}
	return out
}

func invalid(reason string, at Pos, what, why, fix string) *fault.Error {
	return &fault.Error{Code: fault.Invalid, Reason: reason, What: what, Why: why, Fix: fix, Field: at.String()}
}

// refused is what U-SQL has and zaffre has not.
func refused(at Pos, what, fix string) *fault.Error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "USQLNotSupported", What: what + " is not supported",
		Why: "zaffre runs a part of U-SQL, and this is not in it", Fix: fix, Field: at.String(),
	}
}
