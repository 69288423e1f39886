using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Tessera.Models.Checkpoints;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Gguf;

/// <summary>
/// A metadata value as it lies in the mapped file, decoded when asked for; usable while the file is open. Of another type or out of
/// its range, it becomes one sentence that names file and key.
/// </summary>
public sealed unsafe class GgufValue
{
    private readonly MappedFile _file;
    private readonly long _position;

    internal GgufValue(MappedFile file, string key, GgufValueType type, long position) =>
        (_file, Key, Type, _position) = (file, key, type, position);

    /// <summary>The key.</summary>
    public string Key { get; }

    /// <summary>The type in the file.</summary>
    public GgufValueType Type { get; }

    /// <summary>Type of an array's elements; the value's own type where it is no array.</summary>
    public GgufValueType ElementType => Type == GgufValueType.Array ? (GgufValueType)Header().UInt32(Key) : Type;

    /// <summary>Elements of an array; 1 for any other value.</summary>
    public long Count
    {
        get
        {
            if (Type != GgufValueType.Array)
            {
                return 1;
            }

            GgufCursor cursor = Header();
            cursor.UInt32(Key);
            return (long)cursor.UInt64(Key);
        }
    }

    /// <summary>A number of any integer type, from <paramref name="low"/> to <paramref name="high"/>.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public int Integer(int low, int high)
    {
        GgufCursor cursor = Header();
        return (int)Ranged(ReadInteger(ref cursor, Type), low, high);
    }

    /// <summary>A positive finite number of either floating-point type; an f32 as the shortest decimal that it is nearest to.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public double Positive()
    {
        GgufCursor cursor = Header();
        double value = Type switch
        {
            GgufValueType.Float32 => Shortest(BinaryPrimitives.ReadSingleLittleEndian(cursor.Take(4, Key))),
            GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(cursor.Take(8, Key)),
            _ => throw Fault($"of type {Type}, expected a floating-point number"),
        };
        return double.IsFinite(value) && value > 0 ? value : throw Fault($"{value}, expected a positive finite number");
    }

    /// <summary>True or false.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public bool Flag() => Type == GgufValueType.Bool ? Header().Take(1, Key)[0] == 1 : throw Fault($"of type {Type}, expected a truth value");

    /// <summary>A string.</summary>
    /// <exception cref="InvalidDataException">It is something else, or not UTF-8.</exception>
    public string Text()
    {
        GgufCursor cursor = Header();
        return Type == GgufValueType.String ? Decode(cursor.StringBytes(Key), 0) : throw Fault($"of type {Type}, expected a string");
    }

    /// <summary>An array of integers, or one integer <paramref name="count"/> times: how values for each layer are written.</summary>
    /// <exception cref="InvalidDataException">It is something else, of another length, or an element is out of range.</exception>
    public int[] PerLayer(int count, int low, int high)
    {
        if (Type != GgufValueType.Array)
        {
            int one = Integer(low, high);
            return [.. Enumerable.Repeat(one, count)];
        }

        int[] values = Integers(count, low, high);
        return values.Length == count ? values : throw Fault($"a list of {values.Length} values, expected {count}, one a layer");
    }

    /// <summary>An array of integers of any type.</summary>
    /// <exception cref="InvalidDataException">It is something else, longer than <paramref name="most"/>, or an element is out of range.</exception>
    public int[] Integers(int most, int low, int high)
    {
        var (element, count, cursor) = Elements(most);
        var values = new int[count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (int)Ranged(ReadInteger(ref cursor, element), low, high);
        }

        return values;
    }

    /// <summary>An array of f32 numbers.</summary>
    /// <exception cref="InvalidDataException">It is something else, longer than <paramref name="most"/>, or holds what is not finite.</exception>
    public float[] Floats(int most)
    {
        var (element, count, cursor) = Elements(most);
        if (element != GgufValueType.Float32 && count > 0)
        {
            throw Fault($"a list of {element}, expected Float32");
        }

        var values = new float[count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(cursor.Take(4, Key));
            if (!float.IsFinite(values[i]))
            {
                throw Fault($"not finite in element {i}");
            }
        }

        return values;
    }

    /// <summary>An array of strings.</summary>
    /// <exception cref="InvalidDataException">It is something else, longer than <paramref name="most"/>, or holds what is not UTF-8.</exception>
    public string[] Texts(int most)
    {
        var (element, count, cursor) = Elements(most);
        if (element != GgufValueType.String && count > 0)
        {
            throw Fault($"a list of {element}, expected strings");
        }

        var values = new string[count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Decode(cursor.StringBytes(Key), i);
        }

        return values;
    }

    /// <summary>The shortest decimal that an f32 is nearest to: 1e-5 was meant, not 9.99999974e-6.</summary>
    internal static double Shortest(float value) =>
        double.Parse(value.ToString("R", CultureInfo.InvariantCulture), NumberStyles.Float, CultureInfo.InvariantCulture);

    /// <summary>The exception to throw: file, key, and what the value is and should be.</summary>
    internal InvalidDataException Fault(string what) => new($"{_file.FilePath}: {Key} is {what}");

    private GgufCursor Header() => new(_file) { Position = _position };

    private (GgufValueType Element, int Count, GgufCursor First) Elements(int most)
    {
        if (Type != GgufValueType.Array)
        {
            throw Fault($"of type {Type}, expected a list");
        }

        GgufCursor cursor = Header();
        GgufValueType element = cursor.ValueType(Key);
        ulong count = cursor.UInt64(Key);
        return count <= (ulong)most ? (element, (int)count, cursor) : throw Fault($"a list of {count} values, expected at most {most}");
    }

    private long ReadInteger(ref GgufCursor cursor, GgufValueType type)
    {
        ReadOnlySpan<byte> bytes = type is GgufValueType.String or GgufValueType.Array ? [] : cursor.Take(type.Bytes(), Key);
        return type switch
        {
            GgufValueType.UInt8 => bytes[0],
            GgufValueType.Int8 => (sbyte)bytes[0],
            GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            GgufValueType.UInt64 => (long)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(bytes), long.MaxValue),
            GgufValueType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            _ => throw Fault($"of type {type}, expected an integer"),
        };
    }

    private long Ranged(long value, int low, int high) =>
        value >= low && value <= high ? value : throw Fault($"{value}, expected an integer from {low} to {high}");

    private string Decode(ReadOnlySpan<byte> bytes, int index) =>
        Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : throw Fault($"not valid UTF-8{(Type == GgufValueType.Array ? $" in element {index}" : string.Empty)}");
}
