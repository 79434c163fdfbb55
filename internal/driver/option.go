package driver

// Text returns the value of an option that is a string; "" where it is none.
func Text(v any) string {
	s, _ := v.(string)
	return s
}

// Texts returns the values of an option that is a list of strings, without empty ones.
func Texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s := Text(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}
