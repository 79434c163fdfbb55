// Package dotnet has the types of C# that U-SQL's columns may have, and how their values are read and written.
package dotnet

// Kind is a type without its question mark.
type Kind int

// The kinds. Null is that of the word null; TimeSpan cannot be that of a column.
const (
	None Kind = iota
	Null
	Bool
	SByte
	Byte
	Short
	UShort
	Int
	UInt
	Long
	ULong
	Float
	Double
	Decimal
	Char
	String
	DateTime
	Guid
	TimeSpan
)

// Scale is how many digits a decimal has behind its point.
const Scale = 10

// Type is a type of C#. Its zero value is that of what has a fault already.
type Type struct {
	Kind     Kind
	Nullable bool // of a string: always
}

var names = [...]string{
	"?", "null", "bool", "sbyte", "byte", "short", "ushort", "int", "uint", "long", "ulong", "float", "double", "decimal", "char",
	"string", "DateTime", "Guid", "TimeSpan",
}

// sql is DuckDB's types. A TimeSpan is its microseconds.
var sql = [...]string{
	"VARCHAR", "VARCHAR", "BOOLEAN", "TINYINT", "UTINYINT", "SMALLINT", "USMALLINT", "INTEGER", "UINTEGER", "BIGINT", "UBIGINT", "FLOAT",
	"DOUBLE", "DECIMAL(38,10)", "VARCHAR", "VARCHAR", "TIMESTAMP", "UUID", "BIGINT",
}

// String returns the kind's name in C#.
func (k Kind) String() string { return names[k] }

// SQL returns the type that DuckDB keeps values of the kind in.
func (k Kind) SQL() string { return sql[k] }

// Integer reports whether values of the kind are whole numbers.
func (k Kind) Integer() bool { return k >= SByte && k <= ULong }

// Numeric reports whether the kind is one of numbers.
func (k Kind) Numeric() bool { return k >= SByte && k <= Decimal }

// String returns the type as C# writes it.
func (t Type) String() string {
	if t.Nullable && t.Kind != String && t.Kind != Null {
		return t.Kind.String() + "?"
	}
	return t.Kind.String()
}

// OrNull returns the type with null among its values, if also is true.
func (t Type) OrNull(also bool) Type {
	t.Nullable = t.Nullable || also
	return t
}

// Named returns the kind that a word of a script means; ok is false for others.
func Named(name string) (k Kind, ok bool) {
	for i, n := range names {
		if n == name && Kind(i) > Null && Kind(i) < TimeSpan {
			return Kind(i), true
		}
	}
	k, ok = map[string]Kind{
		"Boolean": Bool, "SByte": SByte, "Byte": Byte, "Int16": Short, "UInt16": UShort, "Int32": Int, "UInt32": UInt, "Int64": Long,
		"UInt64": ULong, "Single": Float, "Double": Double, "Decimal": Decimal, "Char": Char, "String": String, "System.DateTime": DateTime,
		"System.Guid": Guid, "System.String": String, "System.Int32": Int, "System.Int64": Long, "System.Double": Double,
	}[name]
	return k, ok
}

// Widens reports whether C# converts from one kind to the other without a cast.
func Widens(from, to Kind) bool {
	switch {
	case from == to:
		return true
	case from == Null:
		return to == String
	case from == Char:
		return to >= UShort && to <= Decimal
	case !from.Numeric() || !to.Numeric():
		return false
	case to == Double:
		return from != Decimal
	case to == Float || to == Decimal:
		return from.Integer()
	}
	return widensInteger(from, to)
}

func widensInteger(from, to Kind) bool {
	signed := from == SByte || from == Short || from == Int || from == Long
	size := func(k Kind) int { return (int(k) - int(SByte)) / 2 }
	switch to {
	case Short, Int, Long:
		return from.Integer() && size(from) < size(to)
	case UShort, UInt, ULong:
		return from.Integer() && !signed && size(from) < size(to)
	}
	return false
}

// Promote returns the kind that C# computes in when both stand beside an operator like +; ok is false where
// it does not compile.
func Promote(a, b Kind) (k Kind, ok bool) {
	if !a.Numeric() || !b.Numeric() {
		return None, false
	}
	for _, wide := range []Kind{Decimal, Double, Float, ULong, Long, UInt} {
		if a != wide && b != wide {
			continue
		}
		other := a
		if a == wide {
			other = b
		}
		if wide == UInt && (other == SByte || other == Short || other == Int) {
			return Long, true
		}
		return wide, Widens(other, wide)
	}
	return Int, true
}
