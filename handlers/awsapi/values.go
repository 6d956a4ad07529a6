package awsapi

// The wire has pointers where a member may be absent; models have values. Text
// may be of any string type of models on our side.

// text is the value of a member; "" when it is absent.
func text[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}

// has tells whether a member was given. Clients send "" for what is unset.
func has(p *string) bool { return text(p) != "" }

// id is the value of a member as an identifier of ours.
func id[T ~string](p *string) T { return T(text(p)) }

// ids are the values of a list as identifiers of ours.
func ids[T ~string](list []string) []T {
	if list == nil {
		return nil
	}
	out := make([]T, len(list))
	for n, s := range list {
		out[n] = T(s)
	}
	return out
}

// str is a member with a value; absent when it is "".
func str[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	plain := string(s)
	return &plain
}

// strs are values as a list of the wire.
func strs[T ~string](list []T) []string {
	out := make([]string, len(list))
	for n, s := range list {
		out[n] = string(s)
	}
	return out
}

// yes is a boolean member, present in any case.
func yes(b bool) *bool { return &b }

// isSet is the value of a boolean member; false when it is absent.
func isSet(p *bool) bool { return p != nil && *p }

// num is a member with a whole number, present in any case.
func num[T ~int | ~int32 | ~int64](n T) *int64 {
	wide := int64(n)
	return &wide
}

// whole is the value of a member with a whole number; 0 when it is absent.
func whole(p *int64) int {
	if p == nil {
		return 0
	}
	return int(*p)
}

// put stores the value of a member that was given, and leaves the rest alone.
func put[T any, P ~*T](into *T, given P) {
	if given != nil {
		*into = *given
	}
}

// putText is put for a member whose type on our side is a string of its own.
func putText[T ~string](into *T, given *string) {
	if given != nil {
		*into = T(*given)
	}
}

// putList replaces a list by one that was given, be it empty.
func putList[T any](into *[]T, list []T) {
	if list != nil {
		*into = list
	}
}

// given is a list without the empty strings that some clients send for unset.
func given(list []string) []string {
	if list == nil {
		return nil
	}
	kept := []string{}
	for _, s := range list {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// putInt is put for a whole number.
func putInt(into *int, value *int64) {
	if value != nil {
		*into = int(*value)
	}
}

// intOf is the value of a member with a number that may be absent on our side,
// too.
func intOf(p *int64) *int {
	if p == nil {
		return nil
	}
	n := int(*p)
	return &n
}

// optional is a member for a number that may be absent.
func optional(n *int) *int64 {
	if n == nil {
		return nil
	}
	return num(*n)
}
