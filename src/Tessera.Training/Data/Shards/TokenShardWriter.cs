using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tessera.Runs;

namespace Tessera.Training.Data.Shards;

/// <summary>
/// Writes one token shard: tokens as they come, then offsets and header. The file has its name only once it is whole and on the disk;
/// until then it is <c>NAME.tmp</c>, which a later writer of the same shard replaces.
/// </summary>
public sealed class TokenShardWriter : IDisposable
{
    private const int BufferBytes = 1 << 16;

    private readonly string _path;
    private readonly ShardHeader _layout;
    private readonly FileStream _stream;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly List<long> _offsets = [0];
    private int _buffered;
    private bool _finished;

    /// <summary>Opens the temporary file.</summary>
    /// <param name="path">The shard.</param>
    /// <param name="layout">Vocabulary, begin, end and tokenizer; its counts and its hash of the data do not matter.</param>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; one sentence with the file.</exception>
    public TokenShardWriter(string path, ShardHeader layout)
    {
        _path = path;
        _layout = layout;
        _stream = Explained(() => new FileStream(Temporary, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0));
        try
        {
            Explained(() => _stream.Write(new byte[ShardHeader.Bytes]));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Tokens so far.</summary>
    public long Tokens => _offsets[^1];

    /// <summary>Documents so far.</summary>
    public long Documents => _offsets.Count - 1;

    private string Temporary => _path + ".tmp";

    /// <summary>Adds a document of at least one token.</summary>
    /// <exception cref="ArgumentException">It is empty, or an id is not in the vocabulary.</exception>
    /// <exception cref="IOException">The disk is full; one sentence with the file.</exception>
    public void Append(ReadOnlySpan<int> ids)
    {
        ArgumentOutOfRangeException.ThrowIfZero(ids.Length);
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)_layout.Vocabulary)
            {
                throw new ArgumentException($"token {id} is beyond the vocabulary of {_layout.Vocabulary}");
            }

            Put(id, _layout.TokenBytes);
        }

        _offsets.Add(Tokens + ids.Length);
    }

    /// <summary>Completes the file and gives it its name.</summary>
    /// <returns>The header that was written.</returns>
    /// <exception cref="IOException">The disk is full; one sentence with the file.</exception>
    public ShardHeader Finish()
    {
        var header = _layout with { Documents = Documents, Tokens = Tokens };
        for (long place = ShardHeader.Bytes + (Tokens * header.TokenBytes); place < header.OffsetsStart; place++)
        {
            Put(0, 1);
        }

        Flush();
        foreach (long offset in _offsets)
        {
            Put(offset, sizeof(long));
        }

        Flush();
        header = header with { Data = Convert.ToHexStringLower(_hash.GetHashAndReset()) };
        Explained(() =>
        {
            _stream.Seek(0, SeekOrigin.Begin);
            _stream.Write(header.ToBytes());
            _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            File.Move(Temporary, _path, overwrite: true);
        });
        _finished = true;
        return header;
    }

    /// <summary>Removes the file where it was not finished.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        _hash.Dispose();
        if (!_finished)
        {
            File.Delete(Temporary);
        }
    }

    private void Put(long value, int bytes)
    {
        if (_buffered + bytes > BufferBytes)
        {
            Flush();
        }

        MemoryMarshal.AsBytes(new ReadOnlySpan<long>(ref value))[..bytes].CopyTo(_buffer.AsSpan(_buffered));
        _buffered += bytes;
    }

    private void Flush()
    {
        _hash.AppendData(_buffer, 0, _buffered);
        Explained(() => _stream.Write(_buffer, 0, _buffered));
        _buffered = 0;
    }

    private void Explained(Action action) => Explained(() =>
    {
        action();
        return true;
    });

    private T Explained<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (AtomicFile.Explain(exception, _path) is { } sentence)
        {
            throw new IOException(sentence, exception);
        }
    }
}
