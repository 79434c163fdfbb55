package dotnet

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// AppendText writes a value that DuckDB gave as text in the way that .NET writes the kind. format is that of
// a DateTime.
func AppendText(dst []byte, k Kind, value []byte, format Format) ([]byte, error) {
	switch k {
	case Bool:
		if string(value) == "true" {
			return append(dst, "True"...), nil
		}
		return append(dst, "False"...), nil
	case Float, Double:
		return appendNumber(dst, k, string(value))
	case Decimal:
		return append(dst, trimZeros(value)...), nil
	case DateTime:
		t, ok := plain(value)
		if !ok {
			var err error
			if t, err = time.Parse("2006-01-02 15:04:05", string(value)); err != nil {
				return dst, fmt.Errorf("read a timestamp of DuckDB: %w", err)
			}
		}
		return format.append(dst, t), nil
	}
	return append(dst, value...), nil
}

func trimZeros(s []byte) []byte {
	if bytes.IndexByte(s, '.') < 0 {
		return s
	}
	s = bytes.TrimRight(bytes.TrimRight(s, "0"), ".")
	if string(s) == "-0" {
		return s[1:]
	}
	return s
}

func appendNumber(dst []byte, k Kind, s string) ([]byte, error) {
	switch s {
	case "nan":
		return append(dst, "NaN"...), nil
	case "inf":
		return append(dst, "Infinity"...), nil
	case "-inf":
		return append(dst, "-Infinity"...), nil
	}
	bits := 64
	if k == Float {
		bits = 32
	}
	v, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return dst, fmt.Errorf("read a number of DuckDB: %w", err)
	}
	return AppendFloat(dst, v, bits), nil
}

// AppendFloat writes a number with as few digits as give it back, with an exponent where .NET takes one:
// above 15 digits before the point of a double and 7 of a float, and below 0.0001.
func AppendFloat(dst []byte, v float64, bits int) []byte {
	limit := 15
	if bits == 32 {
		limit = 7
	}
	if a := math.Abs(v); a == 0 || a >= 0.0001 && a < math.Pow10(limit) {
		return strconv.AppendFloat(dst, v+0, 'f', -1, bits)
	}
	e := strconv.FormatFloat(v, 'e', -1, bits)
	mantissa, power, _ := strings.Cut(e, "e")
	exponent, _ := strconv.Atoi(power)
	digits := len(strings.TrimLeft(strings.Replace(mantissa, ".", "", 1), "-"))
	if exponent+1 > max(digits, limit) || exponent < -4 {
		sign := byte('+')
		if exponent < 0 {
			sign, exponent = '-', -exponent
		}
		dst = append(append(dst, mantissa...), 'E', sign)
		return append(dst, fmt.Sprintf("%02d", exponent)...)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, bits)
}
