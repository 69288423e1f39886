using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>Python's equality, order and membership.</summary>
internal static class Comparison
{
    /// <summary><c>==</c>: numbers of all kinds compare by value, lists and dictionaries by content, other values by identity.</summary>
    public static bool AreEqual(Value left, Value right, RenderState state)
    {
        state.Step();
        if (ReferenceEquals(left, right))
        {
            return true;
        }

        switch (left, right)
        {
            case (TextValue a, TextValue b):
                state.Scan(a.Text.Length == b.Text.Length ? a.Text.Length : 0);
                return string.Equals(a.Text, b.Text, StringComparison.Ordinal);
            case (UndefinedValue, UndefinedValue):
                return true;
            case (ListValue a, ListValue b):
                return a.IsTuple == b.IsTuple && AreEqual(a.Items, b.Items, state);
            case (DictionaryValue a, DictionaryValue b):
                return AreEqual(a, b, state);
            case (RangeValue a, RangeValue b):
                return a.Count == b.Count && (a.Count == 0 || (a.Start == b.Start && (a.Count == 1 || a.Step == b.Step)));
            default:
                return Arithmetic.IsNumber(left) && Arithmetic.IsNumber(right) && CompareNumbers(left, right) == 0;
        }
    }

    /// <summary>Less than, equal or greater; an error for types without an order between them.</summary>
    public static int Order(Value left, Value right, RenderState state)
    {
        state.Step();
        switch (left, right)
        {
            case (TextValue a, TextValue b):
                state.Scan(Math.Min(a.Text.Length, b.Text.Length));
                return OrderByCodePoints(a.Text, b.Text);
            case (ListValue a, ListValue b) when a.IsTuple == b.IsTuple:
                return Order(a.Items, b.Items, state);
            case (UndefinedValue undefined, _):
                throw state.Error(undefined.Problem);
            case (_, UndefinedValue undefined):
                throw state.Error(undefined.Problem);
            default:
                return Arithmetic.IsNumber(left) && Arithmetic.IsNumber(right)
                    ? CompareNumbers(left, right)
                    : throw state.Error($"'<' is not supported between '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    /// <summary>The comparison that an operator asks for.</summary>
    public static bool Compare(string sign, Value left, Value right, RenderState state)
    {
        switch (sign)
        {
            case "==":
                return AreEqual(left, right, state);
            case "!=":
                return !AreEqual(left, right, state);
            case "in":
                return Contains(right, left, state);
            case "not in":
                return !Contains(right, left, state);
        }

        // Nothing is less than, equal to or greater than a number that is none.
        if (IsNan(left) || IsNan(right))
        {
            return false;
        }

        int order = Order(left, right, state);
        return sign switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };
    }

    /// <summary><c>item in container</c>.</summary>
    public static bool Contains(Value container, Value item, RenderState state)
    {
        switch (container)
        {
            case TextValue text:
                return item is TextValue part
                    ? TextSearch.First(text.Text, part.Text, state) >= 0
                    : throw state.Error($"'in <string>' requires a string on its left, not {item.TypeName}");
            case DictionaryValue dictionary:
                return dictionary.Items.ContainsKey(item);
            default:
                foreach (Value element in Sequences.Iterate(container, state))
                {
                    if (AreEqual(element, item, state))
                    {
                        return true;
                    }
                }

                return false;
        }
    }

    private static bool IsNan(Value value) => value is FloatValue real && double.IsNaN(real.Number);

    private static bool AreEqual(IReadOnlyList<Value> left, IReadOnlyList<Value> right, RenderState state)
    {
        if (left.Count != right.Count)
        {
            return false;
        }

        state.Enter();
        bool equal = true;
        for (int i = 0; i < left.Count && equal; i++)
        {
            equal = AreEqual(left[i], right[i], state);
        }

        state.Leave();
        return equal;
    }

    private static bool AreEqual(DictionaryValue left, DictionaryValue right, RenderState state)
    {
        if (left.Items.Count != right.Items.Count)
        {
            return false;
        }

        state.Enter();
        bool equal = left.Items.All(pair =>
            right.Items.TryGetValue(pair.Key, out Value? other) && AreEqual(pair.Value, other, state));
        state.Leave();
        return equal;
    }

    private static int Order(IReadOnlyList<Value> left, IReadOnlyList<Value> right, RenderState state)
    {
        state.Enter();
        for (int i = 0; i < left.Count && i < right.Count; i++)
        {
            if (!AreEqual(left[i], right[i], state))
            {
                int order = Order(left[i], right[i], state);
                state.Leave();
                return order;
            }
        }

        state.Leave();
        return left.Count.CompareTo(right.Count);
    }

    private static int CompareNumbers(Value left, Value right)
    {
        if (left is FloatValue || right is FloatValue)
        {
            // An integer too large for a double is compared exactly where the other side has no fraction.
            double a = Arithmetic.ToDouble(left);
            double b = Arithmetic.ToDouble(right);
            bool exact = a == b && double.IsFinite(a) && Math.Abs(a) >= 1L << 53;
            return double.IsNaN(a) || double.IsNaN(b) ? 1
                : exact ? Whole(left).CompareTo(Whole(right))
                : a == b ? 0 : a.CompareTo(b);
        }

        return Arithmetic.ToInteger(left).CompareTo(Arithmetic.ToInteger(right));
    }

    private static BigInteger Whole(Value value) => value is FloatValue real ? new BigInteger(real.Number) : Arithmetic.ToInteger(value);

    /// <summary>Units sort astral characters below U+E000; code points do not.</summary>
    private static int OrderByCodePoints(string left, string right)
    {
        int at = left.AsSpan().CommonPrefixLength(right);
        if (at == left.Length || at == right.Length)
        {
            return left.Length.CompareTo(right.Length);
        }

        char a = left[at], b = right[at];
        return char.IsSurrogate(a) == char.IsSurrogate(b) ? a.CompareTo(b) : char.IsSurrogate(a) ? 1 : -1;
    }
}
