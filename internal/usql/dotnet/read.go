package dotnet

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Append writes a field of a file as DuckDB reads the kind; ok is false if the field is no such value.
// Strings are as they are.
func Append(dst []byte, k Kind, field []byte) (out []byte, ok bool) {
	switch {
	case k == String:
		return append(dst, field...), true
	case k == Char:
		return append(dst, field...), utf8.RuneCount(field) == 1
	}
	field = bytes.TrimSpace(field)
	switch k {
	case SByte, Short, Int, Long:
		return appendInt(dst, field, 8<<((k-SByte)/2))
	case Byte, UShort, UInt, ULong:
		return appendUint(dst, field, 8<<((k-SByte)/2))
	case Float, Double:
		return appendFloat(dst, field, k)
	case Decimal:
		return appendDecimal(dst, field)
	case Bool:
		return appendBool(dst, field)
	case DateTime:
		t, ok := ParseDateTime(string(field))
		return AppendTimestamp(dst, t), ok
	case Guid:
		return appendGuid(dst, field)
	}
	return dst, false
}

func appendInt(dst, s []byte, bits int) ([]byte, bool) {
	if v, ok := small(s); ok && (bits >= 64 || v < 1<<(bits-1) && v >= -(1<<(bits-1))) {
		return strconv.AppendInt(dst, v, 10), true
	}
	v, err := strconv.ParseInt(string(s), 10, bits)
	return strconv.AppendInt(dst, v, 10), err == nil
}

// small reads a number of at most 18 digits.
func small(s []byte) (v int64, ok bool) {
	negative := len(s) > 0 && s[0] == '-'
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	return v, true
}

func appendUint(dst, s []byte, bits int) ([]byte, bool) {
	v, err := strconv.ParseUint(strings.TrimPrefix(string(s), "+"), 10, bits)
	return strconv.AppendUint(dst, v, 10), err == nil
}

func appendFloat(dst, s []byte, k Kind) ([]byte, bool) {
	bits := 64
	if k == Float {
		bits = 32
	}
	switch string(s) {
	case "NaN", "Infinity", "-Infinity":
		return append(dst, strings.ToLower(string(s))...), true
	}
	// What Go reads and C# does not: hexadecimal, underscores, and words.
	if bytes.ContainsAny(s, "xX_pPiInN") {
		return dst, false
	}
	v, err := strconv.ParseFloat(string(s), bits)
	return append(dst, s...), err == nil && !math.IsInf(v, 0)
}

func appendDecimal(dst, s []byte) ([]byte, bool) {
	digits := bytes.TrimLeft(s, "+-")
	whole, fraction, _ := bytes.Cut(digits, []byte("."))
	fraction = bytes.TrimRight(fraction, "0")
	whole = bytes.TrimLeft(whole, "0")
	if len(digits) == 0 || len(s)-len(digits) > 1 || string(digits) == "." || len(fraction) > Scale || len(whole) > 38-Scale {
		return dst, false
	}
	for _, part := range [][]byte{whole, fraction} {
		for _, c := range part {
			if c < '0' || c > '9' {
				return dst, false
			}
		}
	}
	if s[0] == '-' {
		dst = append(dst, '-')
	}
	dst = append(append(dst, '0'), whole...)
	if len(fraction) > 0 {
		dst = append(append(dst, '.'), fraction...)
	}
	return dst, true
}

func appendBool(dst, s []byte) ([]byte, bool) {
	low := strings.ToLower(string(s))
	return append(dst, low...), low == "true" || low == "false"
}

// appendGuid takes the forms N, D, B and P of .NET.
func appendGuid(dst, s []byte) ([]byte, bool) {
	low := strings.ToLower(string(s))
	if n := len(low); n == 38 && (low[0] == '{' && low[n-1] == '}' || low[0] == '(' && low[n-1] == ')') {
		low = low[1 : n-1]
	}
	if len(low) == 36 {
		for _, i := range []int{23, 18, 13, 8} {
			if low[i] != '-' {
				return dst, false
			}
			low = low[:i] + low[i+1:]
		}
	}
	if len(low) != 32 || strings.Trim(low, "0123456789abcdef") != "" {
		return dst, false
	}
	return append(dst, low[:8]+"-"+low[8:12]+"-"+low[12:16]+"-"+low[16:20]+"-"+low[20:]...), true
}
