using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>Python's operators on numbers, and <c>+</c>, <c>*</c> and <c>%</c> on strings and lists.</summary>
internal static class Arithmetic
{
    /// <summary>Python itself prints no integer of more than 4,300 digits.</summary>
    public const int MostIntegerBits = 14_284;

    /// <summary>Integers, floats, True and False.</summary>
    public static bool IsNumber(Value value) => value is IntegerValue or FloatValue or BooleanValue;

    /// <summary>Integers, True and False.</summary>
    public static bool IsInteger(Value value) => value is IntegerValue or BooleanValue;

    public static BigInteger ToInteger(Value value) => value switch
    {
        IntegerValue integer => integer.Number,
        BooleanValue flag => flag.Flag ? 1 : 0,
        _ => throw new ArgumentException($"a value of type {value.TypeName} is no integer"),
    };

    public static double ToDouble(Value value) => value is FloatValue real ? real.Number : (double)ToInteger(value);

    /// <summary><c>-x</c> or <c>+x</c>.</summary>
    public static Value Sign(string sign, Value operand, RenderState state) => operand switch
    {
        FloatValue real => sign == "-" ? Value.Of(-real.Number) : real,
        IntegerValue or BooleanValue => Value.Of(sign == "-" ? -ToInteger(operand) : ToInteger(operand)),
        UndefinedValue undefined => throw state.Error(undefined.Problem),
        _ => throw state.Error($"bad operand type for unary {sign}: '{operand.TypeName}'"),
    };

    public static Value Apply(string sign, Value left, Value right, RenderState state)
    {
        if (sign == "%" && left is TextValue pattern)
        {
            return Value.Of(PercentFormat.Apply(pattern.Text, right, state));
        }

        if ((left as UndefinedValue ?? right as UndefinedValue) is { } undefined)
        {
            throw state.Error(undefined.Problem);
        }

        if (IsNumber(left) && IsNumber(right))
        {
            return left is FloatValue || right is FloatValue
                ? OfFloats(sign, ToDouble(left), ToDouble(right), state)
                : OfIntegers(sign, ToInteger(left), ToInteger(right), state);
        }

        switch (sign, left, right)
        {
            case ("+", TextValue a, TextValue b):
                state.BuildText((long)a.Text.Length + b.Text.Length);
                return Value.Of(a.Text + b.Text);
            case ("+", ListValue a, ListValue b) when a.IsTuple == b.IsTuple:
                state.BuildList((long)a.Items.Count + b.Items.Count);
                return new ListValue([.. a.Items, .. b.Items], a.IsTuple);
            case ("*", TextValue or ListValue, _) when IsInteger(right):
                return Repeat(left, ToInteger(right), state);
            case ("*", _, TextValue or ListValue) when IsInteger(left):
                return Repeat(right, ToInteger(left), state);
            default:
                throw state.Error($"unsupported operand types for {sign}: '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    private static Value OfIntegers(string sign, BigInteger a, BigInteger b, RenderState state)
    {
        if (b.IsZero && (sign is "/" or "//" or "%"))
        {
            throw state.Error("division by zero");
        }

        switch (sign)
        {
            case "+":
                return Checked(a + b, state);
            case "-":
                return Checked(a - b, state);
            case "*":
                return Checked(a * b, state);
            case "/":
                return Value.Of((double)a / (double)b);
            case "//":
                return Value.Of(FloorDivide(a, b));
            case "%":
                return Value.Of(a - (FloorDivide(a, b) * b));
            default:
                if (b.Sign < 0)
                {
                    return a.IsZero ? throw state.Error("0 cannot be raised to a negative power") : Value.Of(Math.Pow((double)a, (double)b));
                }

                if (BigInteger.Abs(a) > 1 && (b > MostIntegerBits || a.GetBitLength() * (long)b > MostIntegerBits * 2L))
                {
                    throw TooLarge(state);
                }

                // Powers of -1, 0 and 1 need no more than the exponent's parity.
                return Checked(BigInteger.Pow(a, BigInteger.Abs(a) > 1 ? (int)b : b.IsZero ? 0 : b.IsEven ? 2 : 1), state);
        }
    }

    private static Value OfFloats(string sign, double a, double b, RenderState state)
    {
        if (b == 0 && (sign is "/" or "//" or "%"))
        {
            throw state.Error("division by zero");
        }

        return Value.Of(sign switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "//" => FloorQuotient(a, b),
            "%" => FloorRemainder(a, b),
            _ => Math.Pow(a, b),
        });
    }

    private static double FloorRemainder(double a, double b)
    {
        double rest = a % b;
        return rest == 0 ? Math.CopySign(0, b) : rest < 0 != b < 0 ? rest + b : rest;
    }

    /// <summary>Taken from the remainder, as in Python: the rounded quotient may lie beyond an integer.</summary>
    private static double FloorQuotient(double a, double b)
    {
        double quotient = (a - FloorRemainder(a, b)) / b;
        return quotient == 0 ? Math.CopySign(0, a / b) : Math.Round(quotient);
    }

    private static BigInteger FloorDivide(BigInteger a, BigInteger b)
    {
        var quotient = BigInteger.DivRem(a, b, out BigInteger rest);
        return !rest.IsZero && rest.Sign < 0 != b.Sign < 0 ? quotient - 1 : quotient;
    }

    private static Value Checked(BigInteger number, RenderState state) =>
        number.GetBitLength() <= MostIntegerBits ? Value.Of(number) : throw TooLarge(state);

    private static TemplateException TooLarge(RenderState state) => state.Error($"an integer has more than {MostIntegerBits} bits");

    private static Value Repeat(Value value, BigInteger count, RenderState state)
    {
        int length = value is TextValue text ? text.Text.Length : ((ListValue)value).Items.Count;
        BigInteger total = length * BigInteger.Max(count, 0);
        long size = total > long.MaxValue / RenderState.ElementSize ? long.MaxValue / RenderState.ElementSize : (long)total;
        if (value is TextValue repeated)
        {
            state.BuildText(size);
            return Value.Of(size == 0 ? string.Empty : new System.Text.StringBuilder((int)size).Insert(0, repeated.Text, (int)count).ToString());
        }

        state.BuildList(size);
        var list = (ListValue)value;
        var items = new List<Value>((int)size);
        for (int i = 0; size > 0 && i < count; i++)
        {
            items.AddRange(list.Items);
        }

        return new ListValue(items, list.IsTuple);
    }
}
