using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Tessera.Runs.Tests;

public sealed class RecordedTableTests : IDisposable
{
    private static readonly JsonTypeInfo<double> Number =
        (JsonTypeInfo<double>)JsonSerializerOptions.Default.GetTypeInfo(typeof(double));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_value_is_made_once_and_reused_after_a_restart()
    {
        int made = 0;
        for (int run = 0; run < 2; run++)
        {
            using RecordedTable table = RecordedTable.Open(_folder["costs"]);
            Assert.Equal(0.1 + 0.2, table.GetOrAdd("a", Number, () => Make(0.1 + 0.2)));
            Assert.Equal(0.1 + 0.2, table.GetOrAdd("a", Number, () => Make(7)));
        }

        Assert.Equal(1, made);

        double Make(double value)
        {
            made++;
            return value;
        }
    }

    [Fact]
    public void The_hash_survives_a_restart_and_ignores_the_order_of_records()
    {
        string hash;
        using (RecordedTable table = RecordedTable.Open(_folder["one"]))
        {
            table.Add("a", Json("{ \"x\" : 1.50, \"t\" : \"\\u0041\" }"));
            table.Add("b", Json("2"));
            hash = table.Hash;
        }

        using (RecordedTable table = RecordedTable.Open(_folder["one"]))
        {
            Assert.Equal((2, hash), (table.Count, table.Hash));
            Assert.True(table.TryGet("b", out JsonElement value));
            Assert.Equal(2, value.GetInt32());
            Assert.False(table.TryGet("c", out _));
        }

        using RecordedTable other = RecordedTable.Open(_folder["two"]);
        other.Add("b", Json("2"));
        Assert.NotEqual(hash, other.Hash);
        other.Add("a", Json("{\"x\":1.50,\"t\":\"A\"}"));
        Assert.Equal(hash, other.Hash);
    }

    [Theory]
    [InlineData("{\"key\":\"a\",\"value\":1}\n{\"key\":\"a\",\"value\":1}\n", "line 2 repeats the key 'a'")]
    [InlineData("{\"key\":\"a\"}\n", "line 1 is not an object with 'key' and 'value'")]
    [InlineData("{\"key\":1,\"value\":1}\n", "line 1 is not an object with 'key' and 'value'")]
    [InlineData("[]\n", "line 1 is not an object with 'key' and 'value'")]
    public void A_damaged_table_is_refused_and_left_unlocked(string content, string sentence)
    {
        File.WriteAllText(_folder["costs"], content);
        var failure = Assert.Throws<InvalidDataException>(() => RecordedTable.Open(_folder["costs"]));
        Assert.Contains(sentence, failure.Message, StringComparison.Ordinal);
        JsonLinesLog.Open(_folder["costs"]).Dispose();
    }

    [Fact]
    public void A_key_cannot_be_recorded_twice()
    {
        using RecordedTable table = RecordedTable.Open(_folder["costs"]);
        table.Add("a", Json("1"));
        Assert.Throws<ArgumentException>(() => table.Add("a", Json("2")));
        Assert.Single(JsonLinesLog.Read(_folder["costs"]));
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
