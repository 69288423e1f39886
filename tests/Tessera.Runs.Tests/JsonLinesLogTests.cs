using System.Text;
using System.Text.Json;

namespace Tessera.Runs.Tests;

public sealed class JsonLinesLogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Records_are_on_file_as_soon_as_they_are_appended()
    {
        using JsonLinesLog log = JsonLinesLog.Open(_folder["log"]);
        for (int i = 0; i < 3; i++)
        {
            log.Append(Json($"{{\"n\":{i},\"text\":\"line\\nbreak\"}}"));
            Assert.Equal(i + 1, JsonLinesLog.Read(_folder["log"]).Count());
        }

        Assert.Equal(2, JsonLinesLog.Read(_folder["log"]).Last().GetProperty("n").GetInt32());
        Assert.Equal(3, File.ReadAllBytes(_folder["log"]).Count(value => value == '\n'));
    }

    // What kill -9 can leave is a prefix of the file; every one of them must be readable and open to more records.
    [Fact]
    public void Every_prefix_of_a_log_keeps_its_complete_records_and_takes_new_ones()
    {
        byte[] whole = Encoding.UTF8.GetBytes("{\"n\":0}\n{\"n\":1,\"s\":\"é\"}\n12\n{\"n\":3}\n");
        for (int length = 0; length <= whole.Length; length++)
        {
            int complete = whole[..length].Count(value => value == '\n');
            File.WriteAllBytes(_folder["log"], whole[..length]);
            Assert.Equal(complete, JsonLinesLog.Read(_folder["log"]).Count());
            using (JsonLinesLog log = JsonLinesLog.Open(_folder["log"]))
            {
                log.Append(Json("\"new\""));
            }

            JsonElement[] records = [.. JsonLinesLog.Read(_folder["log"])];
            Assert.Equal(complete + 1, records.Length);
            Assert.Equal("new", records[^1].GetString());
        }
    }

    [Fact]
    public void Lines_longer_than_the_buffers_are_read_whole_and_torn_ones_cut()
    {
        string wide = new('x', 200_000);
        using (JsonLinesLog log = JsonLinesLog.Open(_folder["log"], durable: true))
        {
            log.Append(Json("1"));
            log.Append(writer => writer.WriteStringValue(wide));
            log.Append(Json("2"));
        }

        Assert.Equal(["1", $"\"{wide}\"", "2"], JsonLinesLog.Read(_folder["log"]).Select(record => record.GetRawText()));
        File.AppendAllText(_folder["log"], "\"" + wide);
        JsonLinesLog.Open(_folder["log"]).Dispose();
        Assert.Equal(3, JsonLinesLog.Read(_folder["log"]).Count());
        Assert.Equal(wide.Length + 7, new FileInfo(_folder["log"]).Length);
    }

    [Fact]
    public void A_broken_line_in_the_middle_is_refused_by_number()
    {
        File.WriteAllText(_folder["log"], "1\n{oops\n3\n");
        var failure = Assert.Throws<InvalidDataException>(() => JsonLinesLog.Read(_folder["log"]).Count());
        Assert.Equal($"{_folder["log"]}: line 2 is not a JSON value.", failure.Message);
    }

    [Fact]
    public void Two_writers_at_once_are_refused_and_a_missing_file_has_no_records()
    {
        Assert.Empty(JsonLinesLog.Read(_folder["none"]));
        using JsonLinesLog log = JsonLinesLog.Open(_folder["log"]);
        var failure = Assert.Throws<IOException>(() => JsonLinesLog.Open(_folder["log"]));
        Assert.StartsWith($"Cannot append to {_folder["log"]}: ", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Threads_can_share_a_log()
    {
        using (JsonLinesLog log = JsonLinesLog.Open(_folder["log"]))
        {
            Parallel.For(0, 400, i => log.Append(writer => writer.WriteNumberValue(i)));
        }

        Assert.Equal(Enumerable.Range(0, 400), JsonLinesLog.Read(_folder["log"]).Select(record => record.GetInt32()).Order());
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
