using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Tessera.Models.Checkpoints;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Gguf;

/// <summary>Walks through a mapped file; every step is checked against what is left of it.</summary>
internal unsafe struct GgufCursor(MappedFile file)
{
    private const int NestingLimit = 4;

    /// <summary>The next byte.</summary>
    public long Position { get; set; }

    /// <summary>Bytes behind the position.</summary>
    public readonly long Remaining => file.Length - Position;

    public static InvalidDataException Bad(MappedFile file, string fault) => new($"{file.FilePath}: {fault}");

    public readonly InvalidDataException Bad(string fault) => Bad(file, fault);

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), what));

    /// <summary>A count of things that take at least <paramref name="least"/> bytes each; more than could follow are refused.</summary>
    public long Count(long least, string what)
    {
        ulong count = UInt64(what);
        return count <= (ulong)(Remaining / least)
            ? (long)count
            : throw Bad($"{what} is {count}, but only {Remaining} bytes follow, and each takes at least {least}");
    }

    /// <summary>A string without control characters, for a name.</summary>
    public string Name(int mostBytes, string what)
    {
        ReadOnlySpan<byte> bytes = StringBytes(what);
        if (bytes.Length > mostBytes)
        {
            throw Bad($"{what} has {bytes.Length} bytes, expected at most {mostBytes}");
        }

        if (!Utf8.IsValid(bytes))
        {
            throw Bad($"{what} is not valid UTF-8");
        }

        string text = Encoding.UTF8.GetString(bytes);
        return text.Length > 0 && !text.AsSpan().ContainsAnyInRange('\u0000', '\u001f') && !text.AsSpan().ContainsAnyInRange('\u007f', '\u009f')
            ? text
            : throw Bad($"{what}, {SafetensorsHeader.Quote(text)}, is empty or contains a control character");
    }

    /// <summary>The bytes of a string; valid as long as the file is mapped.</summary>
    public ReadOnlySpan<byte> StringBytes(string what)
    {
        ulong length = UInt64($"the length of {what}");
        return length <= (ulong)Math.Min(Remaining, int.MaxValue)
            ? Take((int)length, what)
            : throw Bad($"{what} should have {length} bytes, but only {Remaining} follow");
    }

    /// <summary>A type's number; the enumeration's names end at <see cref="GgufValueType.Float64"/>.</summary>
    public GgufValueType ValueType(string what)
    {
        uint type = UInt32($"the type of {what}");
        return type <= (uint)GgufValueType.Float64
            ? (GgufValueType)type
            : throw Bad($"{what} has the value type {type}, expected 0 to {(int)GgufValueType.Float64}");
    }

    /// <summary>Passes over a value, checking all of its lengths.</summary>
    public void Skip(GgufValueType type, string what, int depth = 0)
    {
        if (type == GgufValueType.String)
        {
            StringBytes(what);
        }
        else if (type == GgufValueType.Array)
        {
            SkipArray(what, depth);
        }
        else if (type == GgufValueType.Bool)
        {
            byte value = Take(1, what)[0];
            if (value > 1)
            {
                throw Bad($"{what} is the truth value {value}, expected 0 or 1");
            }
        }
        else
        {
            Take(type.Bytes(), what);
        }
    }

    /// <summary>The next bytes.</summary>
    public ReadOnlySpan<byte> Take(int count, string what)
    {
        if (count > Remaining)
        {
            throw Bad($"the file ends within {what}");
        }

        var bytes = new ReadOnlySpan<byte>(file.Start + Position, count);
        Position += count;
        return bytes;
    }

    private void SkipArray(string what, int depth)
    {
        if (depth >= NestingLimit)
        {
            throw Bad($"{what} holds arrays in arrays, more than {NestingLimit} deep");
        }

        GgufValueType element = ValueType($"the elements of {what}");
        int size = element.Bytes();
        long least = size > 0 ? size : element == GgufValueType.String ? sizeof(ulong) : sizeof(uint) + sizeof(ulong);
        long count = Count(least, $"the number of elements of {what}");
        if (size > 0 && element != GgufValueType.Bool)
        {
            Position += count * size;
            return;
        }

        for (long i = 0; i < count; i++)
        {
            Skip(element, what, depth + 1);
        }
    }
}
