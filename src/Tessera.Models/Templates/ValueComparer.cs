namespace Tessera.Models.Templates;

/// <summary>Equality of dictionary keys; lists and dictionaries cannot be keys.</summary>
internal sealed class ValueComparer(RenderState state) : IEqualityComparer<Value>
{
    public bool Equals(Value? x, Value? y) => x is not null && y is not null && Comparison.AreEqual(x, y, state);

    public int GetHashCode(Value obj)
    {
        state.Step();
        switch (obj)
        {
            case TextValue text:
                state.Scan(text.Text.Length);
                return text.Text.GetHashCode(StringComparison.Ordinal);
            case ListValue { IsTuple: true } tuple:
                state.Enter();
                var hash = new HashCode();
                foreach (Value item in tuple.Items)
                {
                    hash.Add(GetHashCode(item));
                }

                state.Leave();
                return hash.ToHashCode();
            case ListValue or DictionaryValue:
                throw state.Error($"unhashable type: '{obj.TypeName}'");
            case RangeValue range:
                return range.Count;
            case UndefinedValue:
                return 0;
            default:
                // Equal numbers of different kinds are equal as doubles.
                return Arithmetic.IsNumber(obj)
                    ? HashCode.Combine(Arithmetic.ToDouble(obj))
                    : System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(obj);
        }
    }
}
