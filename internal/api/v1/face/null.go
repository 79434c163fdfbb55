package face

// OrNull returns nil for "": the SDK shows an empty text where Azure has none.
func OrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// OrEmpty returns an empty map for nil: the SDK walks through what Azure never leaves out.
func OrEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
