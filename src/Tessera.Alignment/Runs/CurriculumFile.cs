using System.Buffers;
using System.Text.Json;
using Tessera.Alignment.Curriculum;
using Tessera.Runs;

namespace Tessera.Alignment.Runs;

/// <summary>The plan of a run on the disk, one JSON line a step: centre, mean rate, prompts with their rates.</summary>
internal static class CurriculumFile
{
    /// <summary>Replaces the file.</summary>
    public static void Write(string path, IReadOnlyList<PlannedBatch> plan)
    {
        var buffer = new ArrayBufferWriter<byte>();
        foreach (var batch in plan)
        {
            using (var writer = new Utf8JsonWriter(buffer))
            {
                Write(writer, batch);
            }

            buffer.Write("\n"u8);
        }

        AtomicFile.WriteAllBytes(path, buffer.WrittenMemory);
    }

    private static void Write(Utf8JsonWriter writer, PlannedBatch batch)
    {
        writer.WriteStartObject();
        writer.WriteNumber("step", batch.Step + 1);
        if (batch.Centre is { } centre)
        {
            writer.WriteNumber("centre", centre);
        }

        if (!double.IsNaN(batch.MeanRate))
        {
            writer.WriteNumber("mean_rate", batch.MeanRate);
        }

        writer.WriteStartArray("prompts");
        foreach (var prompt in batch.Prompts)
        {
            writer.WriteStartObject();
            writer.WriteString("id", prompt.Id);
            if (prompt.Samples > 0)
            {
                writer.WriteNumber("rate", prompt.Rate);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
