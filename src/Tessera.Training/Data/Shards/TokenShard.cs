using System.Numerics;
using System.Security.Cryptography;
using Tessera.Models.Checkpoints;

namespace Tessera.Training.Data.Shards;

/// <summary>A file of tokenised documents, mapped read-only: tokens are paged in when they are read, and widened straight to where they are used.</summary>
/// <remarks>
/// Opening checks the header, the length of the file and every offset, but does not read the tokens; <see cref="Verify"/> does. An id
/// beyond the vocabulary is found when it is read. Safe for any number of threads until it is disposed.
/// </remarks>
public sealed unsafe class TokenShard : IDisposable
{
    private const int HashedAtATime = 1 << 24;

    private readonly MappedFile _file;
    private readonly long* _offsets;
    private readonly byte* _tokens;

    private TokenShard(MappedFile file, ShardHeader header)
    {
        _file = file;
        Header = header;
        _tokens = file.Start + ShardHeader.Bytes;
        _offsets = (long*)(file.Start + header.OffsetsStart);
    }

    /// <summary>The path it was opened by.</summary>
    public string FilePath => _file.FilePath;

    /// <summary>Counts, meaning of the ids, hashes.</summary>
    public ShardHeader Header { get; }

    /// <summary>Maps a file and checks it.</summary>
    /// <exception cref="InvalidDataException">The file is missing or breaks a rule of the form; one sentence with file and field.</exception>
    public static TokenShard Open(string path)
    {
        var file = MappedFile.Open(path, inOrder: false);
        try
        {
            var start = file.Length == 0 ? default : new ReadOnlySpan<byte>(file.Start, (int)Math.Min(file.Length, ShardHeader.Bytes));
            var shard = new TokenShard(file, ShardHeader.Read(start, file.Length, path));
            shard.CheckOffsets();
            return shard;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The tokens [start, end) of a document, counted from the shard's first token.</summary>
    public (long Start, long End) Range(long document)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)document, (ulong)Header.Documents);
        return (_offsets[document], _offsets[document + 1]);
    }

    /// <summary>Reads tokens into <paramref name="target"/>, as many as it holds.</summary>
    /// <exception cref="InvalidDataException">An id is not in the vocabulary.</exception>
    public void Read(long start, Span<int> target)
    {
        if (start < 0 || start > Header.Tokens - target.Length)
        {
            throw new ArgumentOutOfRangeException(nameof(start), start, $"the shard has {Header.Tokens} tokens");
        }

        uint highest = Header.TokenBytes == 2
            ? Widen(new ReadOnlySpan<ushort>(_tokens + (2 * start), target.Length), target)
            : Copy(new ReadOnlySpan<uint>(_tokens + (4 * start), target.Length), target);
        if (highest >= (uint)Header.Vocabulary)
        {
            throw new InvalidDataException($"{FilePath}: token {start + target.IndexOf((int)highest)} is {highest}, beyond the vocabulary of {Header.Vocabulary}");
        }
    }

    /// <summary>Tokens as they are stored, where they are mapped; valid until the shard is disposed. Their ids are not checked.</summary>
    public ReadOnlySpan<byte> Stored(long start, int count)
    {
        if (start < 0 || count < 0 || start > Header.Tokens - count)
        {
            throw new ArgumentOutOfRangeException(nameof(start), start, $"the shard has {Header.Tokens} tokens");
        }

        return new ReadOnlySpan<byte>(_tokens + (Header.TokenBytes * start), checked(Header.TokenBytes * count));
    }

    /// <summary>Reads all bytes: the checksum, every id, and that documents begin and end as the header says.</summary>
    /// <exception cref="InvalidDataException">Something does not hold; one sentence with file and field.</exception>
    public void Verify()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long place = ShardHeader.Bytes; place < _file.Length; place += HashedAtATime)
        {
            _file.WillNeed(place + HashedAtATime, HashedAtATime);
            hash.AppendData(new ReadOnlySpan<byte>(_file.Start + place, (int)Math.Min(HashedAtATime, _file.Length - place)));
        }

        string found = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (found != Header.Data)
        {
            throw new InvalidDataException($"{FilePath}: data checksum is {found}, expected {Header.Data}, so the file is damaged");
        }

        int[] buffer = new int[1 << 14];
        for (long start = 0; start < Header.Tokens; start += buffer.Length)
        {
            Read(start, buffer.AsSpan(0, (int)Math.Min(buffer.Length, Header.Tokens - start)));
        }

        for (long document = 0; document < Header.Documents; document++)
        {
            CheckEnds(document);
        }
    }

    /// <summary>Requires that a document begins and ends with the header's tokens.</summary>
    /// <exception cref="InvalidDataException">It does not.</exception>
    public void CheckEnds(long document)
    {
        var (start, end) = Range(document);
        Check(document, "begin", Header.Begin, start);
        Check(document, "end", Header.End, end - 1);
    }

    /// <inheritdoc />
    public void Dispose() => _file.Dispose();

    private void Check(long document, string field, int? expected, long place)
    {
        if (expected is { } id && Id(place) is var found && found != (uint)id)
        {
            throw new InvalidDataException($"{FilePath}: {field} is {id} in the header, but document {document} has {found} there");
        }
    }

    private uint Id(long place) => Header.TokenBytes == 2 ? ((ushort*)_tokens)[place] : ((uint*)_tokens)[place];

    private void CheckOffsets()
    {
        // Borders of documents never go back and never stand still, so a range is never empty and never leaves the tokens.
        int least = Header is { Begin: not null, End: not null } ? 2 : 1;
        long before = 0;
        for (long i = 0; i <= Header.Documents; i++)
        {
            long offset = _offsets[i];
            if (i == 0 ? offset != 0 : offset < before + least || offset > Header.Tokens)
            {
                throw new InvalidDataException(
                    $"{FilePath}: offset {i} is {offset}, expected {(i == 0 ? "0" : $"a number from {before + least} to {Header.Tokens}")}");
            }

            before = offset;
        }

        if (before != Header.Tokens)
        {
            throw new InvalidDataException($"{FilePath}: the last offset is {before}, expected the {Header.Tokens} tokens");
        }
    }

    private static uint Copy(ReadOnlySpan<uint> source, Span<int> target)
    {
        System.Runtime.InteropServices.MemoryMarshal.AsBytes(source).CopyTo(System.Runtime.InteropServices.MemoryMarshal.AsBytes(target));
        var most = Vector<uint>.Zero;
        int i = 0;
        for (; i <= source.Length - Vector<uint>.Count; i += Vector<uint>.Count)
        {
            most = Vector.Max(most, new Vector<uint>(source[i..]));
        }

        uint highest = Highest(most);
        for (; i < source.Length; i++)
        {
            highest = Math.Max(highest, source[i]);
        }

        return highest;
    }

    private static uint Widen(ReadOnlySpan<ushort> source, Span<int> target)
    {
        var most = Vector<uint>.Zero;
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out var low, out var high);
            most = Vector.Max(most, Vector.Max(low, high));
            low.As<uint, int>().CopyTo(target[i..]);
            high.As<uint, int>().CopyTo(target[(i + Vector<uint>.Count)..]);
        }

        uint highest = Highest(most);
        for (; i < source.Length; i++)
        {
            target[i] = source[i];
            highest = Math.Max(highest, source[i]);
        }

        return highest;
    }

    private static uint Highest(Vector<uint> values)
    {
        uint highest = 0;
        for (int i = 0; i < Vector<uint>.Count; i++)
        {
            highest = Math.Max(highest, values[i]);
        }

        return highest;
    }
}
