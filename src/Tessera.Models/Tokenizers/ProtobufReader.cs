using System.Buffers.Binary;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// The fields of one Protocol Buffers message in order (encoding of protobuf.dev): a varint of number × 8 + wire type, then the
/// value. Every length is checked against what is there.
/// </summary>
internal ref struct ProtobufReader(string file, string path, ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>The number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>The wire type of the current field: 0 varint, 1 eight bytes, 2 bytes with a length, 5 four bytes.</summary>
    public int Wire { get; private set; }

    /// <summary>Goes to the next field; its value must be read or skipped before the next call.</summary>
    public bool Next()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        ulong tag = Varint();
        (Field, Wire) = ((int)Math.Min(tag >> 3, int.MaxValue), (int)(tag & 7));
        return Field > 0 ? true : throw Error("has a field of number 0");
    }

    /// <summary>The value as a length and bytes.</summary>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        Expect(2, name);
        ulong length = Varint();
        if (length > (ulong)_rest.Length)
        {
            throw Error($"has a field '{name}' of {length} bytes, but only {_rest.Length} are left");
        }

        ReadOnlySpan<byte> value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return value;
    }

    /// <summary>The value as text.</summary>
    public string Text(string name)
    {
        ReadOnlySpan<byte> value = Bytes(name);
        return System.Text.Unicode.Utf8.IsValid(value) ? Encoding.UTF8.GetString(value) : throw Error($"has a field '{name}' that is not UTF-8");
    }

    /// <summary>The value as a 32-bit signed number, which is written as one of 64 bits.</summary>
    public int Number(string name)
    {
        Expect(0, name);
        long value = (long)Varint();
        return value is >= int.MinValue and <= int.MaxValue ? (int)value : throw Error($"has a field '{name}' of {value}, which is no 32-bit number");
    }

    /// <summary>The value as true or false.</summary>
    public bool Flag(string name)
    {
        Expect(0, name);
        return Varint() != 0;
    }

    /// <summary>The value as a 32-bit float.</summary>
    public float Single(string name)
    {
        Expect(5, name);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4));
    }

    /// <summary>Leaves out the value of a field that is not known.</summary>
    public void Skip()
    {
        switch (Wire)
        {
            case 0:
                Varint();
                break;
            case 1:
                Take(8);
                break;
            case 2:
                Bytes($"number {Field}");
                break;
            case 5:
                Take(4);
                break;
            default:
                throw Error($"has a field of number {Field} with the wire type {Wire}, which is not known");
        }
    }

    /// <summary>The exception to throw: file, message and problem in one sentence.</summary>
    public readonly InvalidDataException Error(string problem) => new($"{file}: {path} {problem}.");

    private readonly void Expect(int wire, string name)
    {
        if (Wire != wire)
        {
            throw Error($"has a field '{name}' of the wire type {Wire} in place of {wire}");
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (_rest.Length < count)
        {
            throw Error($"ends within a value of {count} bytes");
        }

        ReadOnlySpan<byte> value = _rest[..count];
        _rest = _rest[count..];
        return value;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int i = 0; i < Math.Min(_rest.Length, 10); i++)
        {
            value |= (ulong)(_rest[i] & 0x7F) << (7 * i);
            if (_rest[i] < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return value;
            }
        }

        throw Error("ends within a number, or holds one of more than ten bytes");
    }
}
