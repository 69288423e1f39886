using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using Tessera.Training.Data.Shards;

namespace Tessera.Training.Tests.Data;

public sealed class TokenShardTests : IDisposable
{
    private readonly ShardFiles _files = new();

    [Theory]
    [InlineData(300, 2)]
    [InlineData(1 << 16, 2)]
    [InlineData((1 << 16) + 1, 4)]
    [InlineData(1 << 20, 4)]
    public void Documents_come_back_as_they_were_written(int vocabulary, int bytes)
    {
        int[][] documents = ShardFiles.Documents(vocabulary, 1, 1, 2, 31, 64, 65, 1000, 3);
        documents[3][17] = vocabulary - 1;
        using var shard = TokenShard.Open(_files.Write("a.tokens", ShardFiles.Layout(vocabulary), documents));
        Assert.Equal(bytes, shard.Header.TokenBytes);
        Assert.Equal(documents.Length, shard.Header.Documents);
        Assert.Equal(documents.Sum(document => document.Length), shard.Header.Tokens);
        for (int i = 0; i < documents.Length; i++)
        {
            var (start, end) = shard.Range(i);
            int[] found = new int[end - start];
            shard.Read(start, found);
            Assert.Equal(documents[i], found);
        }

        Assert.Equal(documents[3][17], bytes == 2 ? BitConverter.ToUInt16(shard.Stored(34 + 17, 1)) : BitConverter.ToInt32(shard.Stored(34 + 17, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => shard.Stored(shard.Header.Tokens, 1).Length);
        shard.Verify();
        Assert.Throws<ArgumentOutOfRangeException>(() => shard.Range(documents.Length));
        Assert.Throws<ArgumentOutOfRangeException>(() => shard.Read(shard.Header.Tokens - 1, new int[2]));
        Assert.False(File.Exists(_files["a.tokens.tmp"]));
    }

    [Fact]
    public void A_shard_without_documents_is_sound()
    {
        using var shard = TokenShard.Open(_files.Write("a.tokens", ShardFiles.Layout(300)));
        Assert.Equal(0, shard.Header.Documents);
        shard.Verify();
    }

    [Fact]
    public void The_form_is_the_documented_one()
    {
        byte[] bytes = File.ReadAllBytes(_files.Write("a.tokens", ShardFiles.Layout(300, 7, 8), [7, 299, 8], [7, 8]));
        Assert.Equal("TSRTOK\r\n"u8, bytes.AsSpan(0, 8));
        Assert.Equal([1, 2], (int[])[Word(bytes, 8), Word(bytes, 12)]);
        Assert.Equal([2L, 5L], (long[])[Long(bytes, 16), Long(bytes, 24)]);
        Assert.Equal([300, 7, 8, 0], (int[])[Word(bytes, 32), Word(bytes, 36), Word(bytes, 40), Word(bytes, 44)]);
        Assert.Equal(ShardFiles.AnyTokenizer, Convert.ToHexStringLower(bytes.AsSpan(48, 32)));
        Assert.Equal(SHA256.HashData(bytes.AsSpan(128)), bytes[80..112]);
        Assert.Equal([7, 299, 8, 7, 8, 0, 0, 0], Enumerable.Range(0, 8).Select(i => (int)BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(128 + (2 * i)))));
        Assert.Equal([0L, 3L, 5L], (long[])[Long(bytes, 144), Long(bytes, 152), Long(bytes, 160)]);
        Assert.Equal(168, bytes.Length);
    }

    [Fact]
    public void Every_shortened_file_is_refused_by_name()
    {
        byte[] good = File.ReadAllBytes(_files.Write("good.tokens", ShardFiles.Layout(300), ShardFiles.Documents(300, 1, 5, 9, 2)));
        for (int length = 0; length < good.Length; length++)
        {
            Refused(good[..length], "bytes");
        }

        Refused([.. good, 0], "bytes");
    }

    [Theory]
    [InlineData(0, 0x55, 1, "magic")]
    [InlineData(8, 2, 4, "version is 2")]
    [InlineData(12, 4, 4, "token width is 4")]
    [InlineData(16, 4, 8, "documents")]
    [InlineData(16, -1, 8, "documents is -1")]
    [InlineData(16, long.MaxValue, 8, "documents is 9223372036854775807")]
    [InlineData(24, 17, 8, "bytes, but 17 tokens of 2 bytes and 3 documents")]
    [InlineData(24, long.MaxValue, 8, "tokens is 9223372036854775807")]
    [InlineData(24, long.MinValue, 8, "tokens is -9223372036854775808")]
    [InlineData(32, 0, 4, "vocabulary is 0")]
    [InlineData(32, 100_000, 4, "token width is 2")]
    [InlineData(36, 300, 4, "begin is 300")]
    [InlineData(40, -2, 4, "end is -2")]
    [InlineData(44, 1, 4, "reserved")]
    [InlineData(112, 1, 8, "reserved")]
    [InlineData(160, 1, 8, "offset 0 is 1")]
    [InlineData(168, 0, 8, "offset 1 is 0")]
    [InlineData(168, 16, 8, "offset 2 is 14")]
    [InlineData(168, 17, 8, "offset 1 is 17")]
    [InlineData(176, -5, 8, "offset 2 is -5")]
    [InlineData(184, 15, 8, "the last offset is 15")]
    public void Every_wrong_field_is_refused_by_its_name(int place, long value, int bytes, string part)
    {
        byte[] good = File.ReadAllBytes(_files.Write("good.tokens", ShardFiles.Layout(300), ShardFiles.Documents(300, 1, 5, 9, 2)));
        byte[] wrong = [.. good];
        BitConverter.GetBytes(value).AsSpan(0, bytes).CopyTo(wrong.AsSpan(place));
        Refused(WithChecksum(wrong), part);
        if (place is > 8 and < 128)
        {
            Refused(wrong, "header checksum");
        }
    }

    [Fact]
    public void Ids_beyond_the_vocabulary_and_flipped_bits_are_found_where_they_are_read()
    {
        byte[] bytes = File.ReadAllBytes(_files.Write("good.tokens", ShardFiles.Layout(300), ShardFiles.Documents(300, 1, 50)));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(128 + (2 * 41)), 300);
        File.WriteAllBytes(_files["bad.tokens"], bytes);
        using var shard = TokenShard.Open(_files["bad.tokens"]);
        shard.Read(0, new int[41]);
        var error = Assert.Throws<InvalidDataException>(() => shard.Read(30, new int[20]));
        Assert.Contains("bad.tokens: token 41 is 300, beyond the vocabulary of 300", error.Message, StringComparison.Ordinal);
        Assert.Contains("data checksum", Assert.Throws<InvalidDataException>(shard.Verify).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Documents_without_the_promised_ends_are_found()
    {
        using var shard = TokenShard.Open(_files.Write("a.tokens", ShardFiles.Layout(300, 1, 2), [1, 5, 2], [1, 5, 3]));
        Assert.Contains("end is 2 in the header, but document 1 has 3", Assert.Throws<InvalidDataException>(shard.Verify).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_writer_refuses_what_no_reader_would_take_and_leaves_nothing_behind()
    {
        using (var writer = new TokenShardWriter(_files["a.tokens"], ShardFiles.Layout(300)))
        {
            Assert.Throws<ArgumentException>(() => writer.Append([1, 300]));
            Assert.Throws<ArgumentException>(() => writer.Append([-1]));
            Assert.Throws<ArgumentOutOfRangeException>(() => writer.Append([]));
        }

        Assert.Empty(Directory.GetFiles(_files.Folder));
    }

    [Fact]
    public void A_full_disk_is_told_in_one_sentence()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs the device /dev/full");
        File.CreateSymbolicLink(_files["a.tokens.tmp"], "/dev/full");
        var error = Assert.Throws<IOException>(() => new TokenShardWriter(_files["a.tokens"], ShardFiles.Layout(300)));
        Assert.Equal($"Cannot write {_files["a.tokens"]}: the disk is full.", error.Message);
        Assert.Empty(Directory.GetFiles(_files.Folder));
    }

    public void Dispose() => _files.Dispose();

    private static int Word(byte[] bytes, int place) => BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(place));

    private static long Long(byte[] bytes, int place) => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(place));

    /// <summary>The header's checksum by a table-free loop of its own: reflected polynomial 0x82F63B78.</summary>
    private static byte[] WithChecksum(byte[] original)
    {
        byte[] bytes = [.. original];
        uint sum = uint.MaxValue;
        foreach (byte value in bytes.AsSpan(0, 124))
        {
            sum ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                sum = (sum >> 1) ^ ((sum & 1) * 0x82F63B78);
            }
        }

        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(124), ~sum);
        return bytes;
    }

    private void Refused(byte[] bytes, string part)
    {
        string path = _files["bad.tokens"];
        File.WriteAllBytes(path, bytes);
        var error = Assert.Throws<InvalidDataException>(() => TokenShard.Open(path).Dispose());
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }
}
